//! What becomes of each command.
//!
//! Each looks for what refuses it in the order of refusals (400, 404, 403, 409, 422) and changes nothing before it is
//! through.

use super::{
    Cooperation, Held, Invitation, Kind, Membership, Outcome, Refused, Resource, Status, World, builds,
    changed, is_lower, must,
};
use crate::command::{Actor, Command, DAY, Field, JobRole, Micros, Name, OrgRole, Partner};

impl World {
    /// Plays a command: what comes of it.
    pub fn play(&mut self, command: &Command) -> Outcome {
        match *command {
            Command::Wait(micros) => {
                self.now += micros;
                Ok(0)
            }
            Command::Register { actor, user, email } => self.register(actor, user, email),
            Command::Staff { actor, user, is } => self.set_staff(actor, user, is),
            Command::Found { actor, organization, admin } => self.found(actor, organization, admin),
            Command::NameOrganization { actor, organization } => {
                let user = Self::somebody(actor)?;
                self.organization(actor, organization)?;
                must(self.is_admin(user, organization), Refused::Forbidden)?;
                Ok(200)
            }
            Command::Add { actor, organization, user, role } => self.add(actor, organization, user, role),
            Command::Change { actor, organization, user, role, paused, expires_at } => {
                self.change(actor, organization, user, role, paused, expires_at)
            }
            Command::Leave { actor, organization, user, confirm } => {
                self.leave(actor, organization, user, confirm)
            }
            Command::BuildPortfolio { actor, organization, portfolio } => {
                self.build(actor, organization, portfolio, None, false)
            }
            Command::BuildPark { actor, organization, park, portfolio } => {
                self.build(actor, organization, park, portfolio, true)
            }
            Command::NamePark { actor, park } => {
                let user = Self::somebody(actor)?;
                let owner = self.resource(actor, park)?.owner;
                let role = self.role_in(user, owner);
                must(role.is_some_and(|role| builds(role, true)), Refused::Forbidden)?;
                Ok(200)
            }
            Command::Move { actor, park, portfolio } => self.move_park(actor, park, portfolio),
            Command::Delete { actor, resource } => {
                let user = Self::somebody(actor)?;
                let owner = self.resource(actor, resource)?.owner;
                must(self.is_admin(user, owner), Refused::Forbidden)?;
                self.delete(resource);
                Ok(204)
            }
            Command::Grant { actor, resource, user, role, expires_at } => {
                self.grant(actor, resource, user, role, expires_at)
            }
            Command::Ungrant { actor, resource, user } => {
                let by = Self::somebody(actor)?;
                let owner = self.resource(actor, resource)?.owner;
                must(self.grants.contains_key(&(resource, user)), Refused::NotFound)?;
                must(self.is_admin(by, owner), Refused::Forbidden)?;
                self.grants.remove(&(resource, user));
                Ok(204)
            }
            Command::Offer { actor, organization, partner, confirm, expires_at } => {
                self.offer(actor, organization, partner, confirm, expires_at)
            }
            Command::Accept { actor, cooperation, organization } => {
                self.accept(actor, cooperation, organization)
            }
            Command::Decline { actor, cooperation } => self.decline(actor, cooperation),
            Command::Resend { actor, cooperation } => {
                let user = Self::somebody(actor)?;
                let of = self.cooperation(user, cooperation)?;
                self.managed(user, &of)?;
                must(!of.accepted && self.lives(of.expires_at), Refused::NotPending)?; // R23
                if let Some(invitation) = of.invitation {
                    self.remind(invitation);
                }
                Ok(200)
            }
            Command::Limit { actor, cooperation: number, paused, expires_at } => {
                let user = Self::somebody(actor)?;
                let mut cooperation = self.cooperation(user, number)?;
                self.managed(user, &cooperation)?;
                cooperation.paused = paused.unwrap_or(cooperation.paused);
                cooperation.expires_at = changed(expires_at, cooperation.expires_at);
                self.cooperations.insert(number, cooperation);
                Ok(200)
            }
            Command::Remove { actor, cooperation: number } => {
                let user = Self::somebody(actor)?;
                let cooperation = self.cooperation(user, number)?;
                self.managed(user, &cooperation)?;
                self.end(number);
                Ok(204)
            }
            Command::Share { actor, cooperation, resource, role, expires_at } => {
                self.share(actor, cooperation, resource, role, expires_at)
            }
            Command::Unshare { actor, cooperation: number, resource } => {
                let user = Self::somebody(actor)?;
                let cooperation = self.cooperation(user, number)?;
                must(self.resources.contains_key(resource), Refused::NotFound)?;
                let there = self.shares.contains_key(&(number, resource));
                must(there || !self.sees_inside(user, &cooperation), Refused::NotFound)?;
                self.owned(user, &cooperation, resource)?;
                self.unshare(number, resource);
                Ok(204)
            }
            Command::Delegate { actor, cooperation, resource, user, role, expires_at } => {
                self.delegate(actor, cooperation, resource, user, role, expires_at)
            }
            Command::Undelegate { actor, cooperation: number, resource, user } => {
                let by = Self::somebody(actor)?;
                let cooperation = self.cooperation(by, number)?;
                must(self.resources.contains_key(resource), Refused::NotFound)?;
                let there = self.delegations.contains_key(&(number, resource, user));
                must(there || !self.sees_inside(by, &cooperation), Refused::NotFound)?;
                let admin = self.in_partner(by, &cooperation) == Some(OrgRole::Admin);
                must(admin, Refused::Forbidden)?;
                self.delegations.remove(&(number, resource, user));
                Ok(204)
            }
            Command::InviteToPlatform { actor, email } => {
                let sender = Self::somebody(actor)?;
                must(self.staff.contains(sender), Refused::Forbidden)?;
                self.invite(Kind::Platform, email, sender);
                Ok(201)
            }
            Command::InviteInto { actor, organization, email, role } => {
                let sender = Self::somebody(actor)?;
                self.organization(actor, organization)?;
                must(self.is_admin(sender, organization), Refused::Forbidden)?;
                self.invite(Kind::Organization(organization, role), email, sender);
                Ok(201)
            }
            Command::AcceptInvitation { actor, invitation, organization } => {
                self.accept_invitation(actor, invitation, organization)
            }
            Command::DeclineInvitation { actor, invitation: number } => {
                let user = Self::somebody(actor)?;
                let invitation = self.invitation(number)?;
                must(self.users.get(user) == Some(&invitation.email), Refused::Forbidden)?;
                self.close(number)?;
                Ok(200)
            }
            Command::ResendInvitation { actor, invitation: number } => {
                let user = Self::somebody(actor)?;
                let invitation = self.invitation(number)?;
                must(self.may_send(user, invitation.kind), Refused::Forbidden)?;
                must(self.waits(&invitation), Refused::NotPending)?;
                if let Kind::Cooperation(cooperation, _) = invitation.kind {
                    must(self.lives(self.cooperations[&cooperation].expires_at), Refused::NotPending)?;
                    self.remind(number);
                }
                Ok(200)
            }
            Command::Revoke { actor, invitation: number } => {
                let user = Self::somebody(actor)?;
                let invitation = self.invitation(number)?;
                must(self.may_send(user, invitation.kind), Refused::Forbidden)?;
                self.close(number)?;
                Ok(204)
            }
        }
    }

    fn register(&mut self, actor: Actor, user: Name, email: Name) -> Outcome {
        must(actor.is_none(), Refused::Forbidden)?;
        must(self.by_email(email).is_none_or(|owner| owner == user), Refused::AlreadyExists)?;
        self.users.insert(user, email);
        Ok(200)
    }

    fn set_staff(&mut self, actor: Actor, user: Name, is: bool) -> Outcome {
        must(if is { self.users.contains_key(user) } else { self.staff.contains(user) }, Refused::NotFound)?;
        must(actor.is_none(), Refused::Forbidden)?;
        if is {
            self.staff.insert(user)
        } else {
            self.staff.remove(user)
        };
        Ok(204)
    }

    fn found(&mut self, actor: Actor, organization: Name, admin: Name) -> Outcome {
        self.user(admin)?;
        must(actor.is_none_or(|user| self.staff.contains(user)), Refused::Forbidden)?;
        must(!self.used.contains(organization), Refused::AlreadyExists)?;
        must(!self.members.contains_key(admin), Refused::AlreadyMember)?;
        self.establish(organization, admin);
        Ok(201)
    }

    /// A new organization with its first admin.
    fn establish(&mut self, organization: Name, admin: Name) {
        self.organizations.insert(organization);
        self.used.insert(organization);
        self.join(admin, organization, OrgRole::Admin);
    }

    fn join(&mut self, user: Name, organization: Name, role: OrgRole) {
        self.members.insert(user, Membership { organization, role, paused: false, expires_at: None });
    }

    fn add(&mut self, actor: Actor, organization: Name, user: Name, role: OrgRole) -> Outcome {
        self.organization(actor, organization)?;
        self.user(user)?;
        must(actor.is_none(), Refused::Forbidden)?;
        let Some(membership) = self.members.get(user).copied() else {
            self.join(user, organization, role);
            return Ok(201);
        };
        must(membership.organization == organization, Refused::AlreadyMember)?; // R1
        let membership = Membership { role, ..membership }; // R2
        self.keeps_admin(organization, user, Some(membership))?;
        self.members.insert(user, membership);
        Ok(200)
    }

    fn change(
        &mut self,
        actor: Actor,
        organization: Name,
        user: Name,
        role: Option<OrgRole>,
        paused: Option<bool>,
        expires_at: Field<Micros>,
    ) -> Outcome {
        let by = Self::somebody(actor)?;
        self.organization(actor, organization)?;
        let before = self.members.get(user).filter(|membership| membership.organization == organization);
        let before = *before.ok_or(Refused::NotFound)?;
        // R3, R4
        let allowed = match self.role_in(by, organization) {
            Some(OrgRole::Admin) => true,
            Some(OrgRole::Moderator) => {
                let only_role = paused.is_none() && expires_at == Field::Absent;
                only_role && is_lower(before.role) && role.is_some_and(is_lower)
            }
            _ => false,
        };
        must(allowed, Refused::Forbidden)?;
        let membership = Membership {
            organization,
            role: role.unwrap_or(before.role),
            paused: paused.unwrap_or(before.paused),
            expires_at: changed(expires_at, before.expires_at),
        };
        self.keeps_admin(organization, user, Some(membership))?;
        self.members.insert(user, membership);
        Ok(200)
    }

    fn leave(&mut self, actor: Actor, organization: Name, user: Name, confirm: bool) -> Outcome {
        let by = Self::somebody(actor)?;
        let member = self.members.get(user).is_some_and(|membership| membership.organization == organization);
        // R8: oneself, in whatever state the membership is.
        if by != user || !member {
            self.organization(actor, organization)?;
            must(member, Refused::NotFound)?;
            must(self.is_admin(by, organization), Refused::Forbidden)?;
        }
        let members = self.members.values().filter(|membership| membership.organization == organization);
        if members.count() == 1 && confirm {
            self.dissolve(organization, user);
        } else {
            self.keeps_admin(organization, user, None)?;
            self.part(user);
        }
        Ok(204)
    }

    /// R8: with the membership go the grants and the delegations received.
    fn part(&mut self, user: Name) {
        self.left.extend(self.members.remove(user).map(|membership| (user, membership.organization)));
        self.grants.retain(|(_, of), _| *of != user);
        self.delegations.retain(|(_, _, of), _| *of != user);
    }

    /// R7: its cooperations are removed, its resources go with it.
    fn dissolve(&mut self, organization: Name, user: Name) {
        let partner = Partner::Organization(organization);
        let linked = |cooperation: &Cooperation| {
            cooperation.initiator == organization || cooperation.partner == partner
        };
        let ended = self.cooperations.iter().filter(|(_, cooperation)| linked(cooperation));
        for number in ended.map(|(number, _)| *number).collect::<Vec<_>>() {
            self.end(number);
        }
        let owned = self.resources.iter().filter(|(_, resource)| resource.owner == organization);
        for resource in owned.map(|(resource, _)| *resource).collect::<Vec<_>>() {
            self.delete(resource);
        }
        self.part(user);
        self.organizations.remove(organization);
    }

    fn build(
        &mut self,
        actor: Actor,
        organization: Name,
        name: Name,
        portfolio: Option<Name>,
        park: bool,
    ) -> Outcome {
        self.organization(actor, organization)?;
        if let Some(portfolio) = portfolio {
            let owner = self.resource(actor, portfolio)?.owner;
            must(owner == organization, Refused::NotOwner)?; // R9
        }
        if let Some(user) = actor {
            let role = self.role_in(user, organization);
            must(role.is_some_and(|role| builds(role, park)), Refused::Forbidden)?;
        }
        if let Some(portfolio) = portfolio {
            self.changes_parks(actor, portfolio)?;
        }
        must(!self.used.contains(name), Refused::AlreadyExists)?;
        self.used.insert(name);
        self.resources.insert(name, Resource { owner: organization, portfolio });
        Ok(201)
    }

    fn move_park(&mut self, actor: Actor, park: Name, portfolio: Option<Name>) -> Outcome {
        let user = Self::somebody(actor)?;
        let resource = self.resource(actor, park)?;
        if let Some(portfolio) = portfolio.filter(|_| portfolio != resource.portfolio) {
            let owner = self.resource(actor, portfolio)?.owner;
            must(owner == resource.owner, Refused::NotOwner)?; // R9
        }
        let role = self.role_in(user, resource.owner);
        must(role.is_some_and(|role| builds(role, true)), Refused::Forbidden)?;
        if portfolio != resource.portfolio {
            for portfolio in [resource.portfolio, portfolio].into_iter().flatten() {
                self.changes_parks(actor, portfolio)?;
            }
        }
        self.resources.insert(park, Resource { portfolio, ..resource });
        Ok(200)
    }

    /// R9.
    fn delete(&mut self, resource: Name) {
        self.resources.remove(resource);
        for park in self.resources.values_mut().filter(|park| park.portfolio == Some(resource)) {
            park.portfolio = None;
        }
        self.grants.retain(|(on, _), _| *on != resource);
        self.shares.retain(|(_, of), _| *of != resource);
        self.delegations.retain(|(_, on, _), _| *on != resource);
    }

    fn grant(
        &mut self,
        actor: Actor,
        resource: Name,
        user: Name,
        role: JobRole,
        expires_at: Field<Micros>,
    ) -> Outcome {
        let by = Self::somebody(actor)?;
        let owner = self.resource(actor, resource)?.owner;
        self.user(user)?;
        must(self.is_admin(by, owner), Refused::Forbidden)?;
        let membership = self.members.get(user).filter(|membership| membership.organization == owner);
        let membership = membership.ok_or(Refused::NotAMember)?;
        let external = membership.role == OrgRole::External;
        must(!external || role == JobRole::Viewer, Refused::RoleNotGrantable)?; // R13
        let before = self.grants.get(&(resource, user)).and_then(|grant| grant.expires_at);
        self.grants.insert((resource, user), Held { role, expires_at: changed(expires_at, before) });
        Ok(200)
    }

    // -------------------------------------------------------------------------------------------- cooperations
    fn offer(
        &mut self,
        actor: Actor,
        organization: Name,
        partner: Partner,
        confirm: Option<Name>,
        expires_at: Option<Micros>,
    ) -> Outcome {
        must(self.lives(expires_at), Refused::InvalidArgument)?;
        let sender = Self::somebody(actor)?;
        self.organization(actor, organization)?;
        if let Partner::Organization(partner) = partner {
            must(self.organizations.contains(partner), Refused::NotFound)?;
        }
        must(self.is_admin(sender, organization), Refused::Forbidden)?;
        let partner = match partner {
            Partner::Organization(partner) => Partner::Organization(partner),
            Partner::Email(email) => {
                let member = self.by_email(email).and_then(|user| self.members.get(user));
                match member.map(|membership| membership.organization) {
                    // R19
                    Some(found) if found != organization && confirm != Some(found) => {
                        return Err(Refused::ConfirmationRequired);
                    }
                    Some(found) => Partner::Organization(found),
                    // Nothing is to be confirmed.
                    None if confirm.is_some() => return Err(Refused::InvalidArgument),
                    None => Partner::Email(email), // R20
                }
            }
        };
        let number = self.cooperations_made;
        let mut invitation = None;
        must(partner != Partner::Organization(organization), Refused::OwnOrganization)?; // R15
        must(!self.live_between(organization, partner), Refused::CooperationExists)?; // R18
        if let Partner::Email(email) = partner {
            invitation = Some(self.invite(Kind::Cooperation(number, organization), email, sender));
        }
        self.cooperations_made += 1;
        let cooperation = Cooperation {
            initiator: organization,
            partner,
            accepted: false,
            paused: false,
            expires_at,
            invitation,
        };
        self.cooperations.insert(number, cooperation);
        Ok(201)
    }

    fn accept(&mut self, actor: Actor, number: usize, organization: Option<Name>) -> Outcome {
        let user = Self::somebody(actor)?;
        let mut cooperation = self.invited_to(user, number)?;
        if let (Partner::Email(_), Some(invitation)) = (cooperation.partner, cooperation.invitation) {
            return self.accept_invitation(actor, invitation, organization);
        }
        must(self.in_partner(user, &cooperation) == Some(OrgRole::Admin), Refused::Forbidden)?; // R16
        must(!cooperation.accepted, Refused::NotPending)?; // R22
        must(self.lives(cooperation.expires_at), Refused::Expired)?; // R21
        must(organization.is_none(), Refused::AlreadyMember)?; // R1
        cooperation.accepted = true;
        self.cooperations.insert(number, cooperation);
        Ok(200)
    }

    /// A cooperation that the user sees, also as the one whom its email invites.
    fn invited_to(&self, user: Name, number: usize) -> Result<Cooperation, Refused> {
        let cooperation = self.cooperations.get(&number).ok_or(Refused::NotFound)?;
        match cooperation.partner {
            Partner::Email(email) if self.users.get(user) == Some(&email) => Ok(*cooperation),
            _ => self.cooperation(user, number),
        }
    }

    fn decline(&mut self, actor: Actor, number: usize) -> Outcome {
        let user = Self::somebody(actor)?;
        let cooperation = self.invited_to(user, number)?;
        let invited = match cooperation.partner {
            Partner::Email(email) => self.users.get(user) == Some(&email),
            Partner::Organization(partner) => self.is_admin(user, partner),
        };
        must(invited, Refused::Forbidden)?;
        must(!cooperation.accepted, Refused::NotPending)?;
        self.end(number);
        Ok(204)
    }

    /// R28.
    fn end(&mut self, number: usize) {
        let Some(cooperation) = self.cooperations.remove(&number) else { return };
        self.shares.retain(|(of, _), _| *of != number);
        self.delegations.retain(|(of, _, _), _| *of != number);
        if let Some(invitation) = cooperation.invitation {
            self.invitations[invitation].status = Status::Closed;
        }
    }

    fn share(
        &mut self,
        actor: Actor,
        number: usize,
        resource: Name,
        role: JobRole,
        expires_at: Field<Micros>,
    ) -> Outcome {
        let user = Self::somebody(actor)?;
        let cooperation = self.cooperation(user, number)?;
        must(self.resources.contains_key(resource), Refused::NotFound)?;
        self.owned(user, &cooperation, resource)?;
        must(role != JobRole::Operator, Refused::RoleNotShareable)?; // R31
        let before = self.shares.get(&(number, resource)).and_then(|share| share.expires_at);
        self.shares.insert((number, resource), Held { role, expires_at: changed(expires_at, before) });
        Ok(200)
    }

    /// R37.
    fn unshare(&mut self, number: usize, resource: Name) {
        self.shares.remove(&(number, resource));
        self.delegations.retain(|(of, on, _), _| (*of, *on) != (number, resource));
    }

    fn delegate(
        &mut self,
        actor: Actor,
        number: usize,
        resource: Name,
        user: Name,
        role: JobRole,
        expires_at: Field<Micros>,
    ) -> Outcome {
        let by = Self::somebody(actor)?;
        let cooperation = self.cooperation(by, number)?;
        must(self.resources.contains_key(resource), Refused::NotFound)?;
        self.user(user)?;
        must(self.sees_inside(by, &cooperation), Refused::Forbidden)?;
        let share = *self.shares.get(&(number, resource)).ok_or(Refused::NotFound)?;
        must(self.in_partner(by, &cooperation) == Some(OrgRole::Admin), Refused::Forbidden)?;
        must(self.runs(&cooperation), Refused::NotActive)?; // R17, R26
        let membership = self.members.get(user);
        let membership =
            membership.filter(|of| cooperation.partner == Partner::Organization(of.organization));
        let membership = membership.ok_or(Refused::NotAMember)?;
        let external = membership.role == OrgRole::External;
        let grantable = role == JobRole::Viewer || (role == share.role && !external); // R36, R13
        must(grantable, Refused::RoleNotGrantable)?;
        let key = (number, resource, user);
        let before = self.delegations.get(&key).and_then(|delegation| delegation.expires_at);
        self.delegations.insert(key, Held { role, expires_at: changed(expires_at, before) });
        Ok(200)
    }

    // -------------------------------------------------------------------------------------------- invitations
    fn invite(&mut self, kind: Kind, email: Name, sender: Name) -> usize {
        let expires_at = self.now + 14 * DAY;
        self.invitations.push(Invitation { kind, email, sender, expires_at, status: Status::Sent });
        self.invitations.len() - 1
    }

    fn invitation(&self, number: usize) -> Result<Invitation, Refused> {
        self.invitations.get(number).copied().ok_or(Refused::NotFound)
    }

    /// R40 to R42, R16: who may send, revoke and send again.
    fn may_send(&self, user: Name, kind: Kind) -> bool {
        match kind {
            Kind::Platform => self.staff.contains(user),
            Kind::Organization(organization, _) => self.is_admin(user, organization),
            Kind::Cooperation(_, organization) => self.is_admin(user, organization),
        }
    }

    /// Whether it waits for an answer. One to cooperate may be answered, or sent again, after its time as well (R22, R23).
    fn waits(&self, invitation: &Invitation) -> bool {
        let cooperation = matches!(invitation.kind, Kind::Cooperation(..));
        invitation.status == Status::Sent && (cooperation || self.now < invitation.expires_at)
    }

    /// Whoever was invited has as long again as at first.
    fn remind(&mut self, number: usize) {
        let invitation = &mut self.invitations[number];
        invitation.expires_at = invitation.expires_at.max(self.now + 14 * DAY);
    }

    /// It waits no longer; the cooperation that it is for goes with it (R22).
    fn close(&mut self, number: usize) -> Result<(), Refused> {
        must(self.waits(&self.invitations[number]), Refused::NotPending)?;
        self.invitations[number].status = Status::Closed;
        if let Kind::Cooperation(cooperation, _) = self.invitations[number].kind {
            self.end(cooperation);
        }
        Ok(())
    }

    fn accept_invitation(&mut self, actor: Actor, number: usize, organization: Option<Name>) -> Outcome {
        let user = Self::somebody(actor)?;
        let invitation = self.invitation(number)?;
        must(invitation.kind != Kind::Platform || organization.is_some(), Refused::InvalidArgument)?;
        let email = self.users.get(user).copied();
        // A new contact registers by accepting, unless the email is somebody else's.
        let registers = email.is_none() && self.by_email(invitation.email).is_none();
        must(registers || email == Some(invitation.email), Refused::Forbidden)?;
        let member = self.members.get(user).map(|membership| membership.organization);
        let open = invitation.status == Status::Sent;
        if let (Kind::Cooperation(..), true) = (invitation.kind, open) {
            must(member.is_some() || organization.is_some(), Refused::InvalidArgument)?;
            must(member.is_none_or(|partner| self.is_admin(user, partner)), Refused::Forbidden)?; // R21
        }
        must(self.may_send(invitation.sender, invitation.kind), Refused::Forbidden)?;
        must(open, Refused::NotPending)?;
        must(self.now < invitation.expires_at, Refused::Expired)?;
        match (invitation.kind, organization) {
            (Kind::Organization(organization, role), _) => {
                must(member.is_none(), Refused::AlreadyMember)?; // R42
                self.join(user, organization, role);
            }
            (Kind::Cooperation(cooperation, _), _) => {
                self.accept_email(user, cooperation, member, organization)?;
            }
            (Kind::Platform, organization) => {
                must(member.is_none(), Refused::AlreadyMember)?; // R41
                let organization = organization.ok_or(Refused::InvalidArgument)?;
                must(!self.used.contains(organization), Refused::AlreadyExists)?;
                self.establish(organization, user);
            }
        }
        self.users.insert(user, invitation.email);
        self.invitations[number].status = Status::Closed;
        Ok(200)
    }

    /// R21.
    fn accept_email(
        &mut self,
        user: Name,
        number: usize,
        member: Option<Name>,
        organization: Option<Name>,
    ) -> Result<(), Refused> {
        let mut cooperation = self.cooperations[&number];
        must(self.lives(cooperation.expires_at), Refused::Expired)?;
        let partner = match (member, organization) {
            (Some(_), Some(_)) => return Err(Refused::AlreadyMember),
            (Some(partner), None) => {
                let between = self.live_between(cooperation.initiator, Partner::Organization(partner));
                must(!between, Refused::CooperationExists)?;
                must(partner != cooperation.initiator, Refused::OwnOrganization)?;
                partner
            }
            (None, organization) => {
                let organization = organization.ok_or(Refused::InvalidArgument)?;
                must(!self.used.contains(organization), Refused::AlreadyExists)?;
                self.establish(organization, user);
                organization
            }
        };
        cooperation.partner = Partner::Organization(partner);
        cooperation.accepted = true;
        cooperation.invitation = None;
        self.cooperations.insert(number, cooperation);
        Ok(())
    }
}
